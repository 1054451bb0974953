"""Fonts of what is written into pictures."""

from pathlib import Path

import matplotlib
import pytest

from modeling_fer.inference import fonts
from modeling_fer.inference.fonts import choose_font, shorten

DEJAVU = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@pytest.fixture
def one_font(monkeypatch):
    """A system with one font, among the names of others."""
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ("no font of this name.ttf", DEJAVU))
    fonts._name_of_font.cache_clear()
    yield
    fonts._name_of_font.cache_clear()


@pytest.mark.parametrize(
    ("text", "family"),
    [("happiness 98%", "Aileron"), ("glücklich", "DejaVu Sans"), ("радость", "DejaVu Sans"), ("幸福", "Aileron")],
)
def test_a_font_of_the_system_serves_where_pillows_own_lacks_letters(one_font, text, family):
    font = choose_font(text, 20)
    assert font.getname()[0] == family and font.size == 20


def test_a_text_is_cut_to_its_width():
    font = choose_font("", 16)
    assert shorten("neutral", font, 100) == "neutral"
    cut = shorten("neutral or nearly so", font, 100)
    assert cut.startswith("neutral") and cut.endswith("…") and font.getlength(cut) <= 100
