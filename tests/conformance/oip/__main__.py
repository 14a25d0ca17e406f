"""`python -m tests.conformance.oip URL [--model NAME ...]`: exit code 1 where a check fails."""

import argparse
import sys

from tests.conformance.oip import suite
from tests.conformance.oip.target import Deviation, Target


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.oip")
    parser.add_argument("url", help="where /v2 is, such as http://127.0.0.1:8501")
    parser.add_argument("--model", action="append", help="default: all that the server lists")
    given = parser.parse_args()
    try:
        models = given.model or suite.models(given.url)
        found = [one for name in models for one in suite.results(Target(given.url, name))]
    except (Deviation, OSError) as error:
        print(f"{given.url}: {error}", file=sys.stderr)
        return 1
    for one in found:
        print(f"{'FAILED' if one.why else 'ok':<7}{one.model}: {one.check}")
        if one.why:
            print(f"       {one.why}")
    failed = sum(bool(one.why) for one in found)
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
