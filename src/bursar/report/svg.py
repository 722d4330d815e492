"""Pictures are panels of marks: see `report/plot.py`."""
