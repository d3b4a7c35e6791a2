"""sagepip installs Python packages into a shared prefix, safely under parallel builds."""

__version__ = "0.1.0"
