"""Theory on real numbers: products and their gradients, formats, optimizers, initialisation. Nothing here plans a job."""
