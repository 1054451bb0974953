"""From photos and videos to faces with their expressions, in tables and pictures."""
