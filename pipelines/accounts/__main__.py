"""`python -m pipelines.accounts`: one process of the accounts pipeline."""

import sys

from pipelines.accounts.topology import run
from pipelines.runtime.settings import RuntimeSettings
from service.settings import load_settings

if __name__ == "__main__":
    sys.exit(run(load_settings(RuntimeSettings)))
