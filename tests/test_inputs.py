"""Boxes that are given."""

import pytest

from modeling_fer.inputs_fer import check_known_box


@pytest.mark.parametrize("box", [(0.35, 0.12, 0.53, 0.34), (10, 10, 10.5, 90), {"xmin": 3, "ymin": 5, "xmax": 9, "ymax": 5.9}])
def test_a_box_of_less_than_a_pixel_is_named(box):
    with pytest.raises(ValueError) as raised:
        check_known_box(box, (512, 512))
    assert str(raised.value) == f"The box {box!r} is less than one pixel wide or high; give it in pixels of the photo."


def test_a_box_of_one_pixel_is_taken():
    assert check_known_box((3, 5, 4, 6), (512, 512)) == (3.0, 5.0, 4.0, 6.0)


def test_a_reader_refuses_shares_of_the_photo(photo):
    from modeling_fer import load

    with pytest.raises(ValueError, match=r"^The box \(0\.35, 0\.12, 0\.53, 0\.34\) is less than one pixel"):
        load("fer-tiny")(photo, boxes=[(0.35, 0.12, 0.53, 0.34)])
