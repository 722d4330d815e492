"""A training step under PyTorch's own parallelism, watched and compared: FSDP2, tensor, pipeline and expert parallelism.

The engine is PyTorch's; here a model of few layers is built, cut, run and counted: `python -m bursar.measure.distributed --help`.
"""
