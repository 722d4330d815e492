"""Devices and clusters as sourced records, seconds of an operator and of a collective, the host beside a device."""
