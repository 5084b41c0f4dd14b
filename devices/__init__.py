"""The device kinds, one file each: what they report, what can be asked of them, what they tell of a station."""
