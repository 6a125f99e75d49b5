"""Take an automaton out of torch: as a page that runs in a browser, or as ONNX.

What is exported is run where it will run, and compared with torch before it is written.
"""

from nca.export.html import write_html
from nca.export.onnx import write_onnx
from nca.export.verify import Difference

__all__ = ["Difference", "write_html", "write_onnx"]
