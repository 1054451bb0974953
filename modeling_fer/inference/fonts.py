"""Fonts of what is written into pictures: Pillow's own, or one of the system where names have letters that it lacks."""

from functools import lru_cache

from PIL import ImageFont

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "arial.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "Arial Unicode.ttf",
)
"""Common fonts of Linux, Windows and macOS. The first ones have the letters of Europe and Arabic ones, the others also Chinese,
Japanese or Korean ones."""

OWN = ""
"""Stands for Pillow's own font, which has little more than the letters of English."""

NO_LETTER = "\U0010fffd"
"""A character that fonts draw as they draw all that they lack."""


def choose_font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """A font for a text: Pillow's own, or one of the system that lacks fewer letters of it.

    Args:
        text: all that is to be written in the one font.
        size: in pixels.
    """
    return _font(_name_of_font(frozenset(text)), size)


def shorten(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """A text, ended by an ellipsis where it is longer than a width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1].rstrip()
    return f"{text}…"


@lru_cache(maxsize=256)
def _name_of_font(letters: frozenset[str]) -> str:
    if all(letter.isascii() for letter in letters):
        return OWN
    # The first of the best ones.
    return min((OWN, *SYSTEM_FONTS), key=lambda name: sum(_lacks(name, letter) for letter in letters))


@lru_cache(maxsize=4096)
def _lacks(name: str, letter: str) -> bool:
    try:
        font = _font(name, 16)
    except OSError:
        # The system has no font of this name.
        return True
    return not letter.isspace() and _drawn(font, letter) == _drawn(font, NO_LETTER)


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font by its name. Pillow looks through all folders of fonts for it, which takes milliseconds.

    Raises:
        OSError: the system has none of that name.
    """
    font = ImageFont.load_default(size) if name == OWN else ImageFont.truetype(name, size)
    assert isinstance(font, ImageFont.FreeTypeFont), "only the default font without a size is another one"
    return font
