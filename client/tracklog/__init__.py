"""What a training process installs of tracklog: for now its version; any MLflow client does the logging.

The base installation has no server dependencies, so it is light enough to sit beside a training script.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("tracklog")
