"""Client of Cubelink: open astronomical images where they are stored, and get numbers as numpy arrays.

In scripts and notebooks, without asyncio:

    import cubelink

    with cubelink.connect_blocking("http://localhost:1234/?token=…") as client:
        image = client.open("disk_cube.fits")
        plane = image[64]
        spectrum = image.spectrum(256, 256)

With asyncio the same methods are awaited:

    async with cubelink.connect("http://localhost:1234/?token=…") as client:
        image = await client.open("disk_cube.fits")
        plane = await image[64]
"""

from .blocking import connect as connect_blocking
from .client import Client, connect
from .errors import AuthenticationError, CallError, ConnectionFailed, ConnectionLost, CubelinkError, SessionNotFound
from .image import Image
from .jupyter import View
from .listening import Publication, Publications
from .picture import Picture, RenderedPicture
from .regions import Region
from .statistics import Statistics
from .vectors import Vectors

__all__ = ["AuthenticationError", "CallError", "Client", "ConnectionFailed", "ConnectionLost", "CubelinkError", "Image", "Picture", "Publication",
           "Publications", "Region", "RenderedPicture", "SessionNotFound", "Statistics", "Vectors", "View", "connect", "connect_blocking"]  # fmt: skip
__version__ = "0.1.0"
