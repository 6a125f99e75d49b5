"""The browser that tests of pages drive."""

from playwright.sync_api import Page


def test_the_browser_computes_with_floating_point_textures(page: Page):
    page.set_content("<canvas></canvas>")
    found = page.evaluate(
        "() => { const gl = document.querySelector('canvas').getContext('webgl2');"
        " return gl && gl.getExtension('EXT_color_buffer_float') !== null }"
    )
    assert found is True
