import hashlib
import io
import pickle
import struct
import subprocess
import sys
import threading
import zipfile
import zlib

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from zoo.images import ImageError, ImageFile, read_image, zipped_images

pytestmark = pytest.mark.once

RED, BLUE = (255, 0, 0), (0, 0, 255)


def image(width=40, height=20):
    """A red image with a blue right half."""
    made = PIL.Image.new("RGB", (width, height), RED)
    made.paste(BLUE, (width // 2, 0, width, height))
    return made


def encoded(picture, kind="PNG", **options):
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def refused(source, **options):
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    return str(caught.value)


def png_of(width, height):
    """A PNG with a header of that size and almost no pixels."""

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def jpeg_of(width, height):
    content = encoded(image(), "JPEG")
    return content.replace(struct.pack(">HH", 20, 40), struct.pack(">HH", height, width))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM", "JPEG", "WEBP"])
def test_every_format_gives_the_same_pixels(kind, tmp_path):
    content = encoded(image(), kind)
    (tmp_path / "a.bin").write_bytes(content)
    path = tmp_path / "a.bin"
    sources = (content, path, str(path), ImageFile("a", path), ImageFile("a", content=content))
    for source in sources:
        pixels = read_image(source)
        assert pixels.shape == (20, 40, 3) and pixels.dtype == np.uint8
        assert np.abs(pixels[:, :16] - np.array(RED)).max() <= 8
        assert np.abs(pixels[:, 24:] - np.array(BLUE)).max() <= 8
        np.testing.assert_array_equal(pixels, read_image(content))


@pytest.mark.parametrize("size", [(224, 224), (7, 50), (1, 1), (20, 40)])
def test_resizing_keeps_the_whole_image(size):
    pixels = read_image(image(), size)
    assert pixels.shape == (*size, 3)
    if size[1] > 1:
        assert tuple(pixels[0, 0]) == RED and tuple(pixels[-1, -1]) == BLUE
    else:
        assert abs(int(pixels[0, 0, 0]) - 127) < 3  # antialiased: half of each


@pytest.mark.parametrize(
    "mode, colour, options, expected",
    [
        ("L", 90, {}, (90, 90, 90)),
        ("1", 1, {}, (255, 255, 255)),
        ("P", 0, {}, (0, 0, 0)),
        ("P", 0, {"transparency": 0}, (255, 255, 255)),
        ("L", 7, {"transparency": 7}, (255, 255, 255)),
        ("RGB", RED, {"transparency": RED}, (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), {}, (255, 255, 255)),
        ("RGBA", (255, 0, 0, 51), {}, (255, 204, 204)),
        ("LA", (0, 51), {}, (204, 204, 204)),
        ("I;16", 40_000, {}, (156, 156, 156)),
        ("I;16", 65_535, {}, (255, 255, 255)),
    ],
)
def test_colours_of_every_kind_become_rgb(mode, colour, options, expected):
    if mode == "I;16":
        made = PIL.Image.fromarray(np.full((2, 3), colour, "uint16"))
    else:
        made = PIL.Image.new(mode, (3, 2), colour)
    pixels = read_image(encoded(made, **options))
    assert pixels.shape == (2, 3, 3) and (pixels == expected).all()


def test_32_bit_greys_are_of_8_or_16_bits():
    for value, expected in ((200, 200), (255, 255), (256, 1), (40_000, 156)):
        made = PIL.Image.fromarray(np.full((2, 2), value, "int32"))
        assert (read_image(encoded(made, "TIFF")) == expected).all()


def test_a_dark_pgm_of_16_bits_is_dark():
    for value, expected in ((100, 0), (255, 0), (512, 2)):
        content = b"P5 4 4 65535\n" + np.full((4, 4), value, ">u2").tobytes()
        assert (read_image(content) == expected).all()


def test_a_transparent_grey_of_16_bits_becomes_white():
    made = PIL.Image.fromarray(np.array([[500, 40_000]], "uint16"))
    pixels = read_image(encoded(made, transparency=500))
    assert pixels[0, :, 0].tolist() == [255, 156]


def test_cmyk_becomes_rgb():
    content = encoded(PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    assert (read_image(content, (4, 4)) == RED).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_exif_orientation_is_applied(kind):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    content = encoded(image(), kind, exif=exif)
    upright = read_image(content)
    assert upright.shape == (40, 20, 3)
    assert upright[5, 10, 0] > 250 and upright[35, 10, 2] > 250
    squeezed = read_image(content, (10, 30))
    assert squeezed[0, 29, 0] > 250 and squeezed[9, 0, 2] > 250


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "block", [b"Exif\0\0" + bytes(3), b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0abc"]
)
def test_damaged_metadata_are_ignored(kind, block):
    content = encoded(image(), kind, exif=block)
    np.testing.assert_array_equal(read_image(content), read_image(encoded(image(), kind)))
    assert read_image(content, (10, 30)).shape == (10, 30, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_pillow(orientation):
    picture = image()
    picture.paste((0, 255, 0), (0, 0, 5, 5))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture, "PNG", exif=exif)
    expected = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(read_image(content), np.asarray(expected))


def test_the_first_of_several_frames_is_read():
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (BLUE, RED)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (read_image(content) == BLUE).all()


def test_one_pixel():
    content = encoded(PIL.Image.new("RGB", (1, 1), (9, 8, 7)))
    assert read_image(content).tolist() == [[[9, 8, 7]]]
    assert (read_image(content, (5, 3)) == (9, 8, 7)).all()


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_arrays(channels):
    array = np.full((6, 4, *channels), 200, "uint8")
    if channels == (4,):
        array[..., 3] = 0  # transparent
    pixels = read_image(array[::2], (3, 4))
    assert pixels.shape == (3, 4, 3) and (pixels == (255 if channels == (4,) else 200)).all()
    pixels[:] = 0
    assert array.any()  # the input is unchanged


@pytest.mark.parametrize(
    "array, expected",
    [
        (np.zeros((3, 3, 3)), r"uint8, values from 0 to 255; .*255 \* array.*dtype float64"),
        (np.zeros((3, 3, 3), "int64"), "dtype int64"),
        (np.zeros((3, 3, 2), "uint8"), r"1, 3 or 4 channels.*Received: shape \(3, 3, 2\)"),
        (np.zeros((1, 3, 3, 3), "uint8"), r"Received: shape \(1, 3, 3, 3\)"),
        (np.zeros((9,), "uint8"), r"Received: shape \(9,\)"),
        (np.zeros((0, 3, 3), "uint8"), r"at least one pixel. Received: shape \(0, 3, 3\)"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, expected):
    with pytest.raises(ImageError, match=expected):
        read_image(array)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("size", [None, (8, 8)])
def test_a_truncated_image_is_refused(kind, size, tmp_path):
    noise = PIL.Image.effect_noise((200, 200), 40).convert("RGB")
    content = encoded(noise, kind)
    path = tmp_path / "mine.bin"
    for end in (len(content) // 2, 30):
        path.write_bytes(content[:end])
        assert f"Received: {path}" in refused(path, size=size)
        assert "Received: mine" in refused(ImageFile("mine", path), size=size)
        assert f"Received: {end} bytes" in refused(content[:end], size=size)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<html>",
        bytes(1000),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # would start Ghostscript
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_other_files_are_refused(content, tmp_path):
    message = refused(content)
    assert "one of the formats PNG, JPEG, GIF, BMP, WEBP, TIFF, PPM" in message
    assert message.endswith(f"{len(content)} bytes, which begins with {content[:16]!r}")


def test_values_that_are_no_colours_are_refused():
    floats = encoded(PIL.Image.fromarray(np.ones((2, 2), "float32")), "TIFF")
    assert "of mode F (its values are not whole numbers)" in refused(floats)
    large = encoded(PIL.Image.fromarray(np.full((2, 2), 70_000, "int32")), "TIFF")
    assert "take more than 16 bits" in refused(large)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("make", [png_of, jpeg_of])
@pytest.mark.parametrize(
    "width, height, received",
    [
        (20_000, 20_000, "far more"),
        (10_000, 10_000, "10,000 by 10,000"),
        (65_000, 1_000, "65,000 by 1,000"),
    ],
)
def test_too_many_pixels_are_refused_from_the_header(make, width, height, received):
    for size in (None, (224, 224)):
        message = refused(make(width, height), size=size)
        assert "at most 50,000,000 pixels" in message and f"which has {received}" in message


def test_a_large_jpeg_is_decoded_at_a_reduced_size():
    content = encoded(PIL.Image.linear_gradient("L").resize((6_000, 6_000)), "JPEG")
    code = (
        "import resource, sys, numpy, PIL.Image; from zoo.images import read_image;"
        "content = sys.stdin.buffer.read();"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; before = peak();"
        "assert read_image(content, (64, 64)).shape == (64, 64, 3); print(peak() - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True)
    assert int(found.stdout) < 30_000  # KiB; all its pixels would be 105,000
    whole = np.asarray(PIL.Image.linear_gradient("L").resize((64, 64)))
    assert np.abs(read_image(content, (64, 64))[..., 0] - whole.astype(int)).max() <= 3


def test_missing_files(tmp_path):
    for path in (tmp_path / "none.jpg", str(tmp_path / "none.jpg")):
        with pytest.raises(FileNotFoundError, match="no such file.*none.jpg"):
            read_image(path)
    with pytest.raises(FileNotFoundError, match="none.jpg"):
        read_image(ImageFile("none.jpg", tmp_path / "none.jpg"))
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path)  # a folder


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"]])
def test_sources_of_other_types_are_refused(source):
    with pytest.raises(TypeError, match="a path, bytes, a Pillow image.*Received: .* of type"):
        read_image(source)


@pytest.mark.parametrize("size", [(0, 3), (3,), 3, "ab", (2.5, 3), (1, 2, 3)])
def test_sizes_are_two_whole_numbers(size):
    with pytest.raises(ValueError, match=r"\(height, width\).*Received: size="):
        read_image(image(), size)


def test_an_image_is_the_same_in_a_file_in_an_archive_and_in_memory(tmp_path):
    contents = {f"{name}.png": encoded(image(width)) for name, width in (("a", 8), ("가", 9))}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            archive.writestr(f"in/{name}", content)
    zipped = zipped_images(tmp_path / "all.zip", [f"in/{name}" for name in contents])
    for member, (name, content) in zip(zipped, contents.items(), strict=True):
        assert member.name == f"in/{name}"
        for picture in (member, ImageFile(name, tmp_path / name), ImageFile(name, content=content)):
            assert picture.read() == content
            assert picture.sha256 == hashlib.sha256(content).hexdigest()
            assert pickle.loads(pickle.dumps(picture)) == picture
    assert "content" not in repr(ImageFile("a", content=b"x"))


def test_many_threads_read_one_archive(tmp_path):
    contents = [bytes([i]) * 5_000 for i in range(50)]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for i, content in enumerate(contents):
            archive.writestr(str(i), content)
    pictures = zipped_images(tmp_path / "all.zip", [str(i) for i in range(50)])
    found = []

    def read():
        found.append([picture.read() for picture in pictures])

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [contents] * 8


def test_archives_without_the_images_are_refused(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"a" * 100)
    with pytest.raises(ValueError, match="'a.png' is compressed.*Received: .*all.zip"):
        zipped_images(path, ["a.png"])
    with pytest.raises(ValueError, match="b.png.*all.zip"):
        zipped_images(path, ["b.png"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="must be a zip archive.*all.zip"):
        zipped_images(path, ["a.png"])
    with pytest.raises(FileNotFoundError, match="none.zip"):
        zipped_images(tmp_path / "none.zip", ["a.png"])


def test_importing_zoo_images_imports_nothing_heavy():
    code = "import sys, zoo.images; print({'numpy', 'PIL'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
