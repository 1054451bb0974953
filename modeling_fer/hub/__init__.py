"""Model cards, releases, and their upload to the Hub."""
