"""The trials of `proof/chaos`, one a file, and what they are made of: `site`, `members`, `load`, `report`."""
