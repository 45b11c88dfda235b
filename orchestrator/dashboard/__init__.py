"""Dashboard floor: what the page at `/` shows, sampled once a second and shared by all who look; and its files."""
