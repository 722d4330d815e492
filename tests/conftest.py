"""Property tests draw the same examples on every run; HYPOTHESIS_PROFILE=explore draws others. A process has one thread of BLAS."""

import os

from hypothesis import settings

# arrays of tests are small and a worker has a core of its own: threads of BLAS would only wait for each other
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
