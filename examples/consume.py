"""Ask for tokens by Kafka alone, and wait for the answer. Needs `pip install confluent-kafka`.

    python examples/consume.py user:3f0c9f4e-6c1b-4c8e-9a53-0d5b0f1f3a11 openai 120

Settings: KAFKA (host:port, default 127.0.0.1:9092), TOPICS_PREFIX (default none).
"""

import json
import os
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

KAFKA = os.environ.get("KAFKA", "127.0.0.1:9092")
PREFIX = os.environ.get("TOPICS_PREFIX", "")
REPLY_WITHIN_S = 10.0


def main(account: str, provider: str, tokens: int) -> int:
    # One partition of `replies` is ours for as long as we wait. Any will do: others may read it
    # too, and each takes from it only what answers its own requests.
    consumer = Consumer({"bootstrap.servers": KAFKA, "group.id": "unused", "fetch.wait.max.ms": 20})
    place = TopicPartition(PREFIX + "replies", 0)
    # Take the partition by assign(), from its end as it is now, before the command is sent: the
    # reply then cannot come too early. No consumer group is joined, so nothing is ever rebalanced.
    _, place.offset = consumer.get_watermark_offsets(place, timeout=REPLY_WITHIN_S)
    consumer.assign([place])

    # The account that pays is the record's key. The partitioner must be murmur2_random, which is
    # what Kafka's Java clients do; librdkafka's default would misroute most accounts.
    producer = Producer(
        {"bootstrap.servers": KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True}
    )
    command = {
        "type": "consume",
        "version": 1,
        # Sent again after a doubt, the same id is decided once and answered twice.
        "commandId": str(uuid.uuid4()),
        "replyTo": f"replies/{place.partition}",
        "account": account,
        "provider": provider,
        "tokens": tokens,
    }
    # The reply carries this header back: it is how we know ours among all others.
    request_id = uuid.uuid4().hex.encode()
    producer.produce(
        PREFIX + "accounts.commands",
        key=account,
        value=json.dumps(command),
        headers=[("request-id", request_id)],
    )
    producer.flush(REPLY_WITHIN_S)

    deadline = time.monotonic() + REPLY_WITHIN_S
    while time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is None or message.error():
            continue
        if dict(message.headers() or []).get("request-id") == request_id:
            reply = json.loads(message.value())
            print(json.dumps(reply, indent=2))
            consumer.close()
            return 0 if reply["outcome"] == "granted" else 1
    print(f"no reply within {REPLY_WITHIN_S:g} s; the command will be decided all the same")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
