"""Seconds of a step: of its operators, of a micro-batch on a stage, of the schedule, of what is offloaded."""
