import pytest

from zoo.data.languages import guess_language

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A gripping film, and it is not bad at all.", "en"),
        ("Der Film ist nicht schlecht, und die Musik war sehr gut.", "de"),
        ("Le film n'est pas mauvais, et la musique est très bonne.", "fr"),
        ("La película no es mala y la música es muy buena.", "es"),
        ("정말 재미있는 영화", "ko"),
        ("とても面白い映画でした", "ja"),
        ("这部电影很好看", "zh"),
        ("หนังสนุกมาก", "th"),
        ("Отличный фильм", None),
        ("kx 12 qz", None),
        ("42 !? 🎬", None),
        ("", None),
    ],
)
def test_language_of_a_text(text, language):
    assert guess_language([text]) == language


def test_no_texts():
    assert guess_language([]) is None
