"""Open the page in a browser, without showing its token to other users of this machine.

The command line of a browser can be read by everybody (`ps`), a file in a folder of one's own
cannot: the browser opens a file that leads on to the page.
"""

import html
import os
import shutil
import tempfile
import webbrowser
from pathlib import Path

from nca.play.ending import Ending

LEADS_ON = """<!doctype html>
<html lang="en-GB">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>nca play</title>
<p><a href="{address}">nca play</a></p>
</html>
"""


def open_in_browser(address: str, ending: Ending) -> bool:
    """Open an address in the browser, and return whether there is one.

    Args:
        address: Of the page, with its token.
        ending: Removes the file that leads to it.
    """
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if type(browser) is webbrowser.GenericBrowser:  # one of the terminal, which it would take over
        return False
    folder = Path(tempfile.mkdtemp(prefix="nca-play-"))  # no other user may look into it
    ending.clean = lambda: shutil.rmtree(folder, ignore_errors=True)
    file = folder / "open.html"
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as written:
        written.write(LEADS_ON.format(address=html.escape(address)))
    try:
        return browser.open(file.as_uri())
    except (OSError, webbrowser.Error):
        return False
