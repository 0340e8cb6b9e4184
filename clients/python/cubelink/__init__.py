"""Client of Cubelink: open astronomical images where they lie, and get numbers as numpy arrays.

    import asyncio, cubelink

    async def main():
        async with cubelink.connect("ws://localhost:1234/ws", secret="…") as client:
            image = await client.open("disk_cube.fits")
            spectrum = await image.spectrum(256, 256)
            plane = await image.read(channel=64)

    asyncio.run(main())
"""

from .client import Client, connect
from .image import Image
from .listening import Publication, Publications
from .wire import CallError, ConnectionLost

__all__ = ["CallError", "Client", "ConnectionLost", "Image", "Publication", "Publications", "connect"]
__version__ = "0.1.0"
