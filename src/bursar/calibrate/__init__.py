"""What runs say of a machine: their step times from tables and logs, the multipliers that they ask for, and the file of these.

logs       the lines of a training log that time a step, one file for each tool
steady     the step time once a run is warm
runs       tables of runs: a job by its options, and what was measured of it
fit        multipliers from runs, with priors, residuals and leave-one-out errors
file       a calibration as a TOML file, and a device at its rates
"""
