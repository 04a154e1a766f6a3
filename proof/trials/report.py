"""Figures beside their bounds."""
import datetime
import os
import platform
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def prepare(options, *what):
    """Builds the program, unless one is named, and says of which commit, build and machine the figures are."""
    profile = ["--profile", "dist"] if options.dist else []
    build = "dist build" if options.dist else "debug build"
    named = [getattr(options, option, None) for option in ("program", "demo", "testsite")]
    if any(named):
        build = f"{' and '.join(Path(one).name for one in named if one)} as given"
    else:
        what = what or ("--example", "testsite")
        subprocess.run(["cargo", "build", "-q", "-p", "skitai-demo", *what, *profile], cwd=ROOT, check=True)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    print(f"{now:%F %H:%M} UTC, commit {commit.stdout.strip()}, {build}, "
          f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
          f"load of the machine before {os.getloadavg()[0]:.2f}", flush=True)


def quantile(times, share):
    times = sorted(times)
    return times[round((len(times) - 1) * share)]


class Report:
    """Prints a line for each figure and counts the bounds that are missed."""

    def __init__(self):
        self.missed = []
        self.kept = 0
        self.began = time.monotonic()

    def begin(self, name, what):
        self.name = name
        print(f"\n{name}: {what}", flush=True)

    def note(self, text):
        print(f"    {text}", flush=True)

    def bound(self, what, figure, limit, unit="", at_least=False):
        """A figure that is to be at most `limit`, or at least."""
        self.told(what, f"{shown(figure)} {unit}".strip(), f"{'≥' if at_least else '≤'} {shown(limit)} {unit}".strip(),
                  figure >= limit if at_least else figure <= limit)

    def holds(self, what, is_so, found=""):
        """Something that is so or not."""
        self.told(what, str(found) or ("yes" if is_so else "no"), "", is_so)

    def told(self, what, figure, bound, is_kept):
        print(f"  {'ok    ' if is_kept else 'MISSED'} {what:<72} {figure:>14}   {bound}", flush=True)
        if is_kept:
            self.kept += 1
        else:
            self.missed.append(f"{self.name}: {what}: {figure}, {bound}")

    def end(self):
        print(f"\n{self.kept} bounds kept, {len(self.missed)} missed, in {time.monotonic() - self.began:.0f} s; "
              f"load of the machine after {os.getloadavg()[0]:.2f}")
        for line in self.missed:
            print(f"  MISSED {line}")


def shown(figure):
    return f"{figure:.2f}" if isinstance(figure, float) and figure < 10 else f"{figure:.0f}" if isinstance(figure, float) else str(figure)
