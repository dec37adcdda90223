"""Compressed sizes: what C(.) is in every formula of this package."""
