"""Every kind of image file that people have: the right pixels, or one sentence with the file and its mode."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features
from refusals import refused

from ganbench.datasets import ImageFolder
from ganbench.datasets.images import readable_suffixes
from ganbench.errors import DataError

NOWHERE = Path("nowhere")
SIDE = 8


def halves(left, right, dtype=np.uint8):
    """An array whose left half has one value, or one colour, and whose right half has another."""
    left, right = np.broadcast_arrays(np.asarray(left, dtype), np.asarray(right, dtype))
    values = np.empty((SIDE, SIDE, *left.shape), dtype)
    values[:, : SIDE // 2], values[:, SIDE // 2 :] = left, right
    return values


def picture(left, right, mode=None, dtype=np.uint8):
    image = Image.fromarray(halves(left, right, dtype))
    return image if mode is None else image.convert(mode)


def coloured(mode, left, right):
    """An image of a mode that NumPy arrays do not have."""
    image = Image.new(mode, (SIDE, SIDE), left)
    image.paste(right, (SIDE // 2, 0, SIDE, SIDE))
    return image


def palette(left, right, **info):
    image = Image.fromarray(halves(0, 1)).convert("L")
    image.putpalette([*left, *right], "RGB")
    image.info |= info
    return image


def turned(image, **options):
    """Stored upside down and mirrored, with the orientation that says so."""
    exif = Image.Exif()
    exif[0x0112] = 3
    return image.transpose(Image.Transpose.ROTATE_180), {"exif": exif, **options}


def saved(image, **options):
    return lambda path: image.save(path, **options)


def saved_turned(image, **options):
    image, options = turned(image, **options)
    return saved(image, **options)


def animated(**options):
    frames = [picture((200, 0, 0), (0, 0, 200)), picture((0, 200, 0), (0, 200, 0))]
    return saved(frames[0], save_all=True, append_images=frames[1:], **options)


def tiff(values, bits, kind=1, photometric=1, packed=None):
    """An uncompressed TIFF of one channel: sample format 1 is unsigned, 2 signed, 3 floating."""
    data = values.tobytes() if packed is None else packed
    tags = [
        (256, SIDE), (257, SIDE), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, SIDE),
        (279, len(data)), (339, kind),
    ]  # fmt: skip
    offset = 8 + len(data)
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags)
    content = struct.pack("<2sHI", b"II", 42, offset) + data + struct.pack("<H", len(tags)) + entries + bytes(4)
    return lambda path: path.write_bytes(content)


def twelve_bits(left, right):
    """Two numbers in three bytes."""
    values = halves(left, right, np.uint16).ravel()
    text = "".join(f"{value:012b}" for value in values)
    return tiff(values, 12, packed=int(text, 2).to_bytes(len(text) // 8, "big"))


def png(values, colour, bits):
    """A PNG of 16-bit colours, which Pillow reads and does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def text(header, values):
    return lambda path: path.write_bytes(header + b" ".join(str(int(v)).encode() for v in values.ravel()))


def cut(writer, share=0.6):
    def write(path):
        writer(path)
        os.truncate(path, int(path.stat().st_size * share))

    return write


RED_BLUE = (200, 0, 0), (0, 0, 200)
CLEAR_GREY = (200, 100, 50, 0), (200, 100, 50, 255)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
SIXTEEN = picture(40_000, 10_000, dtype=np.uint16)

# name of the file: what writes it, the colours of its left and its right half
RIGHT = {
    "grey.png": (saved(picture(100, 50)), (100,) * 3, (50,) * 3),
    "bilevel.png": (saved(picture(255, 0, "1")), (255,) * 3, (0,) * 3),
    "bilevel.tiff": (saved(picture(255, 0, "1"), compression="group4"), (255,) * 3, (0,) * 3),
    "colour.png": (saved(picture(*RED_BLUE)), *RED_BLUE),
    "palette.png": (saved(palette(*RED_BLUE)), *RED_BLUE),
    "palette-one-clear.png": (saved(palette(*RED_BLUE), transparency=0), (0, 0, 0), (0, 0, 200)),
    "palette-half-clear.png": (saved(palette(*RED_BLUE), transparency=b"\x80\xff"), (100, 0, 0), (0, 0, 200)),
    "palette.gif": (saved(palette(*RED_BLUE)), *RED_BLUE),
    "grey-alpha.png": (saved(coloured("LA", (200, 0), (200, 255))), (0,) * 3, (200,) * 3),
    "alpha.png": (saved(picture(*CLEAR_GREY)), (0, 0, 0), (200, 100, 50)),
    "alpha.tiff": (saved(picture(*CLEAR_GREY)), (0, 0, 0), (200, 100, 50)),
    "alpha.webp": (saved(picture(*CLEAR_GREY), lossless=True), (0, 0, 0), (200, 100, 50)),
    "one-colour-clear.png": (saved(picture(*RED_BLUE), transparency=RED_BLUE[0]), (0, 0, 0), (0, 0, 200)),
    "one-grey-clear.png": (saved(picture(100, 50), transparency=100), (0,) * 3, (50,) * 3),
    "sixteen.png": (saved(SIXTEEN), (156,) * 3, (39,) * 3),
    "sixteen-one-clear.png": (saved(SIXTEEN, transparency=40_000), (0,) * 3, (39,) * 3),
    "sixteen-turned.png": (saved_turned(SIXTEEN), (156,) * 3, (39,) * 3),
    "sixteen-colour.png": (png(halves((40_000, 0, 0), (0, 0, 10_000), np.uint16), 2, 16), (156, 0, 0), (0, 0, 39)),
    "sixteen-alpha.png": (png(halves((40_000, 0), (40_000, 65_535), np.uint16), 4, 16), (0,) * 3, (156,) * 3),
    "sixteen.tiff": (saved(SIXTEEN), (156,) * 3, (39,) * 3),
    "sixteen-big-endian.tiff": (saved(picture(40_000, 10_000, dtype=">u2")), (156,) * 3, (39,) * 3),
    "sixteen-white-is-zero.tiff": (tiff(halves(40_000, 10_000, "<u2"), 16, photometric=0), (99,) * 3, (216,) * 3),
    "sixteen.jp2": (saved(SIXTEEN, irreversible=False), (156,) * 3, (39,) * 3),
    "twelve.tiff": (twelve_bits(2500, 625), (156,) * 3, (39,) * 3),
    "sixteen.pgm": (saved(SIXTEEN), (156,) * 3, (39,) * 3),
    "ten.pgm": (text(b"P2 8 8 1000 ", halves(1000, 100, np.uint16)), (255,) * 3, (25,) * 3),
    "fractions.tiff": (saved(picture(0.5, 1, dtype=np.float32)), (128,) * 3, (255,) * 3),
    "fractions-white-is-zero.tiff": (tiff(halves(0.2, 1, "<f4"), 32, 3, photometric=0), (204,) * 3, (0,) * 3),
    "fractions.pfm": (saved(picture(0.5, 1, dtype=np.float32)), (128,) * 3, (255,) * 3),
    "print.tiff": (saved(coloured("CMYK", (0, 0, 0, 155), (0, 255, 255, 55))), (100,) * 3, (200, 0, 0)),
    "print.jpg": (saved(coloured("CMYK", (0, 0, 0, 155), (0, 255, 255, 55)), quality=100), (100,) * 3, (200, 0, 0)),
    "luma.jpg": (saved(picture(*RED_BLUE), quality=100, subsampling=0), *RED_BLUE),
    "luma.tiff": (saved(picture(*RED_BLUE, "YCbCr")), *RED_BLUE),
    "lab.tiff": (saved(coloured("LAB", (255, 128, 128), (0, 128, 128))), (255,) * 3, (0,) * 3),
    "turned.jpg": (saved_turned(picture(*RED_BLUE), quality=100, subsampling=0), *RED_BLUE),
    "turned.png": (saved_turned(picture(*RED_BLUE)), *RED_BLUE),
    "turned.webp": (saved_turned(picture(*RED_BLUE), lossless=True), *RED_BLUE),
    "turned.tiff": (saved_turned(picture(*RED_BLUE)), *RED_BLUE),
    "animated.gif": (animated(), *RED_BLUE),
    "animated.webp": (animated(lossless=True), *RED_BLUE),
    "animated.png": (animated(), *RED_BLUE),
    "pages.tiff": (animated(), *RED_BLUE),
    "camera.JFIF": (saved(picture(*RED_BLUE), format="JPEG", quality=100, subsampling=0), *RED_BLUE),
    "named-otherwise.png": (saved(picture(*RED_BLUE), format="BMP"), *RED_BLUE),
}  # fmt: skip

# name of the file: what writes it, what the sentence says beside the name
REFUSED = {
    "fractions-to-255.tiff": (saved(picture(0, 254.5, dtype=np.float32)), "mode F"),
    "fractions-below-zero.tiff": (saved(picture(-0.5, 0.5, dtype=np.float32)), "mode F"),
    "not-a-number.tiff": (saved(picture(0.5, np.nan, dtype=np.float32)), "mode F"),
    "thirty-two.tiff": (saved(picture(40_000, 10_000, dtype=np.int32)), "mode I"),
    "thirty-two-unsigned.tiff": (tiff(halves(40_000, 10_000, "<u4"), 32), "mode I"),
    "sixteen-signed.tiff": (tiff(halves(-5, 5, "<i2"), 16, kind=2), "mode I"),
    "thirty-two.im": (saved(picture(40_000, 10_000, dtype=np.int32)), "mode I"),
    "truncated.jpg": (cut(saved(NOISE)), "JPEG, mode RGB"),
    "truncated.png": (cut(saved(NOISE)), "PNG, mode RGB"),
    "truncated.tiff": (cut(saved(NOISE, compression="tiff_lzw")), ""),
    "truncated.webp": (cut(saved(NOISE)), ""),
    "empty.png": (lambda path: path.touch(), "no known format"),
    "words.png": (lambda path: path.write_text("no image"), "no known format"),
    "page.png": (saved(picture(*RED_BLUE), format="EPS"), "no known format"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_has_its_right_pixels(name, tmp_path):
    write, left, right = RIGHT[name]
    write(tmp_path / name)
    pixels = ImageFolder(str(tmp_path), size=SIDE).load(NOWHERE).real.images
    assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (1, 3, SIDE, SIDE))
    off = 3 if name.startswith(("luma", "lab", "print.jpg", "turned.jpg", "camera")) else 0
    middles = [pixels[0, :, SIDE // 2, column].tolist() for column in (1, SIDE - 2)]
    assert middles == [pytest.approx(list(left), abs=off), pytest.approx(list(right), abs=off)]


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_shown_is_one_sentence_with_its_mode(name, tmp_path):
    write, mode = REFUSED[name]
    write(tmp_path / name)
    with refused(DataError, subject=tmp_path / name, code="unreadable") as caught:
        ImageFolder(str(tmp_path)).load(NOWHERE)
    assert mode in str(caught.value)


def test_every_ending_that_pillow_reads_is_an_image(tmp_path):
    suffixes = readable_suffixes()
    assert {".jpg", ".jpeg", ".jfif", ".png", ".tif", ".bmp", ".gif", ".webp", ".tga", ".pnm"} <= suffixes
    assert not {".eps", ".pdf", ".h5", ".mpg", ".wmf"} & suffixes
    written = []
    for suffix in sorted(suffixes):
        kind = Image.registered_extensions()[suffix]
        if kind in Image.SAVE and (kind not in ("AVIF", "WEBP") or features.check(kind.lower())):
            image = NOISE.convert({"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(kind, "RGB"))
            try:
                image.resize((64, 64)).save(tmp_path / f"{suffix[1:]}{suffix}")
            except (OSError, ValueError, KeyError):
                continue  # an encoder that this build of Pillow lacks
            written.append(suffix)
    assert len(written) > 20
    population = ImageFolder(str(tmp_path), size=SIDE).load(NOWHERE)
    assert (len(population.real), population.remarks) == (len(written), ())


def fill(folder, *names):
    """Images that are told apart by their red, which is the number of the file."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (SIDE, SIDE), (int(path.stem.lstrip("._")), 0, 0)).save(path)


def reds(folder):
    population = ImageFolder(str(folder), size=SIDE).load(NOWHERE)
    return population.real.images[:, 0, 0, 0].tolist(), "".join(population.remarks)


def test_class_folders_that_are_links_are_followed_each_folder_once(tmp_path):
    fill(tmp_path, "far/cats/1.png", "far/cats/more/2.png", "far/dogs/3.png", "near/birds/4.png")
    near = tmp_path / "near"
    (near / "cats").symlink_to(tmp_path / "far" / "cats")
    (near / "dogs").symlink_to(Path("..") / "far" / "dogs")
    (tmp_path / "far" / "cats" / "round").symlink_to(near)
    (near / "again").symlink_to(near / "birds")
    (near / "single.png").symlink_to(tmp_path / "far" / "dogs" / "3.png")
    found, said = reds(near)
    assert found == [4, 1, 2, 3, 3]  # in the order of their paths: birds, cats, cats/more, dogs, single.png
    assert "2 links to folders that are read already" in said
    linked = tmp_path / "linked"
    linked.symlink_to(near)
    assert reds(linked)[0] == found
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "cats").symlink_to(tmp_path / "far" / "cats" / "more")
    assert reds(tmp_path / "only") == ([2], "")


def test_what_is_skipped_is_counted_and_said(tmp_path):
    fill(tmp_path, "1.png", ".ipynb_checkpoints/2.png", "a/.Trash-1000/deep/3.png", "a/._4.png", "a/5.png")
    for name in ("notes.txt", "list.txt", "table.csv", "LICENSE"):
        (tmp_path / name).touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    found, said = reds(tmp_path)
    assert found == [1, 5]
    for part in (
        *("2 hidden folders", "1 hidden files", "2 .txt files", "1 .csv files", "1 files without an ending"),
        *("1 links that lead nowhere", "1 special files"),
    ):
        assert part in said


def test_a_folder_below_a_hidden_one_may_be_named(tmp_path):
    fill(tmp_path, ".cache/pictures/1.png")
    assert reds(tmp_path / ".cache" / "pictures") == ([1], "")


def test_a_folder_without_an_image_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").touch()
    with refused(DataError, subject=tmp_path, code="empty") as caught:
        ImageFolder(str(tmp_path)).load(NOWHERE)
    assert "1 .txt" in str(caught.value)
