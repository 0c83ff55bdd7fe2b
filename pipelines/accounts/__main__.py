"""`python -m pipelines.accounts`: one process of the accounts pipeline."""

import sys

from pipelines.accounts.topology import run
from pipelines.runtime.settings import RuntimeSettings

if __name__ == "__main__":
    sys.exit(run(RuntimeSettings.load()))
