"""Put a study on show: figures as JSON, pictures as PNG, and one page that holds all of it.

`colours` turns levels into colours, `plates` lays them out, `charts` draws curves, `page` writes
the HTML, `words` explains each measure.
"""

from nca.exhibit.publish import findings, plates_of, publish

__all__ = ["findings", "plates_of", "publish"]
