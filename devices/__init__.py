"""The device kinds, one file each: what they report, what they can do, what they tell of a station."""
