#!/usr/bin/env python3
"""Topics that can be subscribed to are those that the server publishes on."""

from harness import Case, run
from wslink_client import CallFailed


class Topics(Case):
    async def test_each_topic_of_server_info(self):
        self.start()
        for generation in (1, 2):
            client = await self.wslink(generation=generation)
            topics = (await client.call("server.info"))["topics"]
            self.assertIn("session.changed", topics)
            for topic in topics:
                await client.call("pubsub.subscribe", topic)
            self.assertEqual(sorted(one["topic"] for one in await client.call("pubsub.subscriptions")), sorted(topics))

    async def test_a_topic_that_does_not_exist(self):
        self.start()
        for generation in (1, 2):
            client, other = await self.wslink(generation=generation), None
            for topic in ("session.changd", "carta.open.file", "carta.raster.tile.data ", "x" * 100_000):
                with self.assertRaises(CallFailed) as failed:
                    await client.call("pubsub.subscribe", topic)
                self.assertEqual(failed.exception.code, -32602)
                self.assertIn(topic[:50], failed.exception.message)
                self.assertIn("server.info", failed.exception.message)
                self.assertLess(len(failed.exception.message), 300)
            # It has chosen nothing, and goes on hearing everything.
            self.assertEqual(await client.call("pubsub.subscriptions"), [])
            other = await self.wslink(client.session)
            await other.call("carta.open.file", {"file": "image.fits", "file_id": 0})
            await client.next("session.changed", lambda m: m["what"] == "file_opened")
            await other.call("session.close")


if __name__ == "__main__":
    run()
