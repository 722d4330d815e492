"""What users ask of a job, one file each: why, what if, which device, what it costs, how others would count it."""
