"""The check of dependencies on made-up metadata: every rule is seen to fail, and what is in order to pass."""

import pathlib
import unittest

from check import ROOT, faults
from rules import Rules, Unclear, Version, permits

HOME = pathlib.Path("/home/me/skitai")
REGISTRY = "registry+https://own.example/index"
RULES = """
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[licenses]
allow = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"]
exceptions = [{ crate = "fuzzer", allow = ["NCSA"] }]
[bans]
multiple-versions = "warn"
wildcards = "deny"
allow-wildcard-paths = true
deny = [
    { crate = "openssl", reason = "TLS is rustls" },
    { crate = "bytes:<1.11.1", reason = "RUSTSEC-2026-0007" },
    { crate = "rand:>=0.9.0,<0.9.3", reason = "RUSTSEC-2026-0097" },
    { crate = "large:>=2.0.0", reason = "too much of it" },
]
[sources]
unknown-registry = "deny"
unknown-git = "deny"
"""


def package(name, version="1.0.0", licence="MIT", source=REGISTRY, needs=(), folder=HOME):
    return {
        "id": f"{name} {version}",
        "name": name,
        "version": version,
        "license": licence,
        "source": source,
        "manifest_path": str(folder / name / "Cargo.toml"),
        "dependencies": list(needs),
    }


def need(name, req="^1", kind=None, **more):
    return {"name": name, "req": req, "kind": kind, **more}


def workspace(*others, member=None):
    """One member that needs the first, which needs the second, and so on."""
    chain = [member or package("ours", source=None), *others]
    ids = [each["id"] for each in chain]
    nodes = [{"id": at, "deps": [{"pkg": to}] if to else []} for at, to in zip(ids, [*ids[1:], None])]
    return {"packages": chain, "workspace_members": ids[:1], "resolve": {"nodes": nodes}}


def found(*others, member=None, rules=RULES):
    return faults(Rules.of(rules), workspace(*others, member=member), HOME)


class Check(unittest.TestCase):
    def one(self, *words, **world):
        others = world.pop("others")
        (text,) = found(*others, **world)
        for word in words:
            self.assertIn(word, text)

    def test_what_is_in_order_passes(self):
        tree = [package("a", licence="GPL-3.0 OR MIT"), package("bytes", "1.11.1"), package("rand", "0.8.6")]
        self.assertEqual(found(*tree), [])

    def test_a_licence_that_is_not_allowed(self):
        self.one("copyleft 2.0.0", "GPL-3.0-only", "to do", others=[package("copyleft", "2.0.0", "GPL-3.0-only")])
        self.one("silent", "names no licence", others=[package("silent", licence=None)])
        self.one("odd", "bracket", others=[package("odd", licence="(MIT")])

    def test_a_licence_that_one_crate_may_have(self):
        self.assertEqual(found(package("fuzzer", licence="(MIT OR Apache-2.0) AND NCSA")), [])
        self.one("other", "NCSA", others=[package("other", licence="NCSA")])

    def test_a_banned_crate_with_the_way_it_came(self):
        self.one("openssl 1.0.0", "TLS is rustls", "ours → a → openssl", others=[package("a"), package("openssl")])

    def test_a_version_below_its_floor(self):
        self.one("bytes 1.11.0", "< 1.11.1", "RUSTSEC-2026-0007", "cargo update -p bytes@1.11.0",
                 others=[package("bytes", "1.11.0")])
        self.one("bytes 1.11.1-rc.1", "< 1.11.1", others=[package("bytes", "1.11.1-rc.1")])
        self.one("rand 0.9.2", "RUSTSEC-2026-0097", others=[package("rand", "0.9.2")])
        self.assertEqual(found(package("rand", "0.8.9"), package("rand", "0.9.3")), [])

    def test_a_version_above_its_ceiling(self):
        self.one("large 2.1.0", ">= 2.0.0", "too much", "--precise", others=[package("large", "2.1.0")])
        self.assertEqual(found(package("large", "1.9.9")), [])

    def test_a_foreign_source(self):
        git = "git+https://example.com/a?rev=1#1"
        self.one("a 1.0.0", git, others=[package("a", source=git)])
        other = "registry+https://example.com/index"
        self.one("a 1.0.0", other, others=[package("b"), package("c"), package("a", source=other)])
        named = [need("a", registry="https://example.com/index")]
        self.one("ours", "a is of the registry", others=[package("a", source=other)],
                 member=package("ours", source=None, needs=named))
        self.one("a 1.0.0", "outside", others=[package("a", source=None, folder=pathlib.Path("/home/me/other"))])
        self.assertEqual(found(package("wire", source=None)), [])

    def test_a_version_that_may_be_any(self):
        needs = [need("bytes", "*"), need("wire", "*", path="/home/me/skitai/wire")]
        self.one("ours", "bytes may have any version", others=[], member=package("ours", source=None, needs=needs))
        self.assertEqual(found(package("a", needs=[need("b", "*", kind="dev")])), [])

    def test_what_no_member_reaches_is_not_built(self):
        metadata = workspace(package("a"))
        metadata["packages"].append(package("openssl"))
        metadata["resolve"]["nodes"].append({"id": "openssl 1.0.0", "deps": []})
        self.assertEqual(faults(Rules.of(RULES), metadata, HOME), [])


class Reading(unittest.TestCase):
    def refused(self, old, new, word):
        self.assertIn(old, RULES)
        with self.assertRaisesRegex(Unclear, word):
            Rules.of(RULES.replace(old, new))

    def test_what_is_not_known_is_refused(self):
        self.refused("[sources]", "[sources]\nallow-git = []", "allow-git")
        self.refused("[sources]", "[output]\nfeature-depth = 1\n[sources]", "output")
        self.refused('"warn"', '"deny"', "multiple-versions")
        self.refused('unknown-git = "deny"', 'unknown-git = "allow"', "unknown-git")
        self.refused('unknown-git = "deny"', "", "missing")
        self.refused('reason = "TLS is rustls"', 'reason = "TLS is rustls", wrappers = ["a"]', "wrappers")
        self.refused('"openssl"', '"openssl@1"', "openssl@1")
        self.refused('"bytes:<1.11.1"', '"bytes:1.11"', "one of")
        self.refused('"bytes:<1.11.1"', '"bytes:<x"', "no version")
        self.refused('unknown-git = "deny"', 'unknown-git =', "no TOML")

    def test_the_real_file_is_read(self):
        rules = Rules.of((ROOT / "deny.toml").read_text(encoding="utf-8"))
        self.assertTrue(any(ban.crate == "openssl" and not ban.bounds for ban in rules.bans))
        self.assertTrue(any(ban.forbids(Version.of("1.11.0")) for ban in rules.bans if ban.crate == "bytes"))
        self.assertIn("MIT", rules.allowed)

    def test_licence_expressions(self):
        allowed = {"MIT", "ISC", "Apache-2.0 WITH LLVM-exception"}
        for expression, met in [
            ("MIT", True), ("GPL-2.0", False), ("GPL-2.0 OR MIT", True), ("MIT/GPL-2.0", True), ("MIT AND ISC", True),
            ("MIT AND GPL-2.0", False), ("GPL-2.0 AND MIT OR ISC", True), ("GPL-2.0 AND (MIT OR ISC)", False),
            ("Apache-2.0", False), ("Apache-2.0 WITH LLVM-exception", True), ("(MIT OR GPL-2.0) AND ISC", True),
        ]:
            self.assertEqual(permits(expression, allowed), met, expression)
        for broken in ["", "MIT WITH", "MIT WITH OR ISC", "MIT OR", "MIT ISC", "AND", "(MIT", "MIT)"]:
            with self.assertRaises(Unclear, msg=broken):
                permits(broken, allowed)


if __name__ == "__main__":
    unittest.main()
