#!/bin/sh
# Ask for tokens with nothing but Kafka's own console tools, and wait for the answer:
#
#     examples/consume.sh user:3f0c9f4e-6c1b-4c8e-9a53-0d5b0f1f3a11 openai 120
#
# Settings: KAFKA (host:port), TOPICS_PREFIX, KAFKA_BIN (the bin folder of a Kafka installation;
# without it the tools of the development servers are used, from the project's folder).
set -eu

account=$1 provider=$2 tokens=$3
kafka=${KAFKA:-127.0.0.1:9092}
prefix=${TOPICS_PREFIX:-}

tool() {
    name=$1
    shift
    if [ -n "${KAFKA_BIN:-}" ]; then
        "$KAFKA_BIN/kafka-$name.sh" "$@"
    else
        "${PYTHON:-.venv/bin/python}" -m devstack kafka-tool "$name" -- "$@"
    fi
}

# Where the reply partition ends now: our reply will stand behind it. Prints replies:0:OFFSET.
end=$(tool get-offsets --bootstrap-server "$kafka" --topic "${prefix}replies" --partitions 0)
end=${end##*:}

# The header comes back with the reply; the command id makes sending it again safe.
request=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
command='{"type": "consume", "version": 1, "commandId": "'$request'", "replyTo": "replies/0",
 "account": "'$account'", "provider": "'$provider'", "tokens": '$tokens'}'

# One line: headers, key, value, with tabs between. The console producer partitions by the key as
# all Java clients do (murmur2), which is where the account belongs.
printf 'request-id:%s\t%s\t%s\n' "$request" "$account" "$(printf %s "$command" | tr -d '\n')" |
    tool console-producer --bootstrap-server "$kafka" --topic "${prefix}accounts.commands" \
        --property parse.headers=true --property parse.key=true

# Ends when nothing has come for 5 s; the first line that carries our header is the reply.
reply=$(tool console-consumer --bootstrap-server "$kafka" --topic "${prefix}replies" \
    --partition 0 --offset "$end" --timeout-ms 5000 --property print.headers=true 2>/dev/null |
    grep -m1 "request-id:$request" || true)
if [ -z "$reply" ]; then
    echo "no reply came; the command will be decided all the same" >&2
    exit 2
fi
printf '%s\n' "$reply" | cut -f2
case $reply in *'"outcome":"granted"'*) ;; *) exit 1 ;; esac
