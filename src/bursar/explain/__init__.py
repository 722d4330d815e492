"""Where a number comes from: derivations as trees of steps, assembled by reading the cost formulas themselves with symbols."""
