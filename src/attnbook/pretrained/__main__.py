"""`python -m attnbook.pretrained [NAME …]` fetches these models, by default all."""

import sys

from attnbook.pretrained import MODELS, FetchError, fetch

if __name__ == "__main__":
    try:
        for name in sys.argv[1:] or MODELS:
            print(f"{name}: {fetch(name).parent}")
    except (FetchError, ValueError) as problem:
        sys.exit(str(problem))
