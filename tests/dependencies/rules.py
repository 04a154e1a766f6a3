"""deny.toml as this check understands it.

The file is cargo-deny's, and stays usable with it. What is read here is the part that needs no network and no advisory
database. A key that is not known here is refused: a rule that nobody applies is worse than none.
"""

import operator
import re
from dataclasses import dataclass

try:
    import tomllib
except ModuleNotFoundError:  # Before Python 3.11; tests/interop/requirements.txt has it for those.
    import tomli as tomllib

# Keys whose values are cargo-deny's alone, with why they are not looked at here.
LEFT_TO_CARGO_DENY = {
    ("advisories", "yanked"): "needs the registry",
    ("advisories", "unmaintained"): "needs RustSec's database",
    ("advisories", "unsound"): "needs RustSec's database",
    ("advisories", "ignore"): "needs RustSec's database",
    ("licenses", "confidence-threshold"): "is about texts of licences, which are not read here",
}

# Keys that have to have this value, for nothing else is implemented. "warn" is cargo-deny's to print.
FIXED = {
    ("bans", "multiple-versions"): ("warn", "allow"),
    ("bans", "wildcards"): ("deny",),
    ("bans", "allow-wildcard-paths"): (True,),
    ("sources", "unknown-registry"): ("deny",),
    ("sources", "unknown-git"): ("deny",),
}

READ = {("graph", "targets"), ("licenses", "allow"), ("licenses", "exceptions"), ("bans", "deny")}


COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


class Unclear(Exception):
    """deny.toml says something that this check cannot apply."""


@dataclass(frozen=True)
class Version:
    """A version as far as it is compared: a pre-release is less than its release, and that is all."""

    numbers: tuple
    is_release: bool

    @classmethod
    def of(cls, text):
        found = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", text.strip())
        if not found:
            raise Unclear(f"{text!r} is no version")
        return cls(tuple(int(number or 0) for number in found.groups()[:3]), found.group(4) is None)

    def key(self):
        return (self.numbers, self.is_release)


@dataclass(frozen=True)
class Ban:
    """A crate that may not come in, or some versions of it."""

    crate: str
    # Pairs of an operator and a Version; all of them must hold. Empty: every version.
    bounds: tuple
    reason: str

    @classmethod
    def of(cls, entry):
        if set(entry) != {"crate", "reason"}:
            raise Unclear(f"[bans] deny: an entry has `crate` and `reason`, not {sorted(entry)}: {entry}")
        name, colon, versions = entry["crate"].partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise Unclear(f"[bans] deny: {entry['crate']!r} is no crate; with versions it is written `name:<1.2.3`")
        bounds = [bound(text, entry["crate"]) for text in versions.split(",")] if colon else []
        return cls(name, tuple(bounds), entry["reason"])

    def forbids(self, version):
        return all(COMPARISONS[word](version.key(), than.key()) for word, than in self.bounds)


def bound(text, crate):
    """`<1.2.3`. Cargo's other operators are refused: what a bare `1.2` bans is not what it looks like."""
    found = re.fullmatch(r"\s*(<=|>=|<|>|=)\s*(\S+)\s*", text)
    if not found:
        raise Unclear(f"[bans] deny: {crate!r}: a version is written with one of < <= > >= =, not as {text!r}")
    return found.group(1), Version.of(found.group(2))


@dataclass(frozen=True)
class Rules:
    """What may come into the tree."""

    targets: tuple
    allowed: frozenset
    # Crate → licences that it alone may have.
    exceptions: dict
    bans: tuple

    @classmethod
    def of(cls, text):
        known = READ | set(FIXED) | set(LEFT_TO_CARGO_DENY)
        try:
            parsed = tomllib.loads(text)
        except tomllib.TOMLDecodeError as why:
            raise Unclear(f"it is no TOML: {why}") from why
        unknown = "is not known here; teach it to tests/dependencies, or leave it out"
        for section, keys in parsed.items():
            if not isinstance(keys, dict) or section not in {name for name, _ in known}:
                raise Unclear(f"[{section}] {unknown}")
            for key, value in keys.items():
                if (section, key) not in known:
                    raise Unclear(f"[{section}] {key} {unknown}")
                if value not in FIXED.get((section, key), (value,)):
                    raise Unclear(f"[{section}] {key} = {value!r} is not implemented here")
        for section, key in READ | set(FIXED):
            if (section, key) not in {("licenses", "exceptions")} and key not in parsed.get(section, {}):
                raise Unclear(f"[{section}] {key} is missing, and what holds without it is not said here")
        licences = parsed["licenses"]
        exceptions = {}
        for entry in licences.get("exceptions", []):
            if set(entry) != {"crate", "allow"}:
                raise Unclear(f"[licenses] exceptions: an entry has `crate` and `allow`, not {sorted(entry)}")
            exceptions[entry["crate"]] = frozenset(entry["allow"])
        return cls(
            tuple(parsed["graph"]["targets"]),
            frozenset(licences["allow"]),
            exceptions,
            tuple(Ban.of(entry) for entry in parsed["bans"]["deny"]),
        )


def permits(expression, allowed):
    """Whether a licence expression (SPDX, or the old form with slashes) can be met by licences that are allowed."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)

    def either():
        met = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        if not tokens:
            raise Unclear(f"{expression!r} ends too early")
        word = tokens.pop(0)
        if word == "(":
            met = either()
            if not tokens or tokens.pop(0) != ")":
                raise Unclear(f"{expression!r} lacks a bracket")
            return met
        if word in (")", "AND", "OR", "WITH", "/"):
            raise Unclear(f"{expression!r} has {word} where a licence is due")
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            if not tokens or tokens[0] in ("(", ")", "AND", "OR", "WITH", "/"):
                raise Unclear(f"{expression!r} names no exception behind WITH")
            word = f"{word} WITH {tokens.pop(0)}"
        return word in allowed

    met = either()
    if tokens:
        raise Unclear(f"{expression!r} goes on with {tokens[0]!r}")
    return met
