"""Tables and sentences for people, drawn from the objects that the verbs return. No cost is computed here."""
