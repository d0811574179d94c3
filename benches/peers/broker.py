"""Apache Kafka: one node, broker and controller at once, for as long as a block lasts.

Promises a node that answers, keeps records of any age, and leaves nothing behind.
"""

import contextlib
import os
import socket
import subprocess

import processes

HEAP = "-Xmx1g"
CLUSTER = "dGVudXJlLXRlc3Qta2Fma2E"
START_SECONDS = 90

# Years of events are written at once. Retention and the rolling of segments go by the records' own
# timestamps, so with its defaults a broker would delete such history while it is read.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
log.retention.ms=-1
log.roll.hours=876000
log.message.timestamp.after.max.ms=9223372036854775807
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""

LOG_SETTINGS = """\
status=error
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %-5p %c{1} %m%n
"""


@contextlib.contextmanager
def kafka(folder):
    """A node with its data in this folder; gives its address."""
    clients, controller = processes.free_ports(2)
    settings, log = os.path.join(folder, "server.properties"), os.path.join(folder, "kafka.log")
    write(settings, SETTINGS.format(clients=clients, controller=controller, folder=folder))
    write(os.path.join(folder, "log4j2.properties"), LOG_SETTINGS)
    formatted = subprocess.run(
        java(folder, "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", CLUSTER, "--config", settings),
        capture_output=True, text=True, check=False)
    if formatted.returncode != 0:
        raise processes.Failed(f"cannot format Kafka's storage: {formatted.stdout}{formatted.stderr}")
    with processes.running(java(folder, "kafka.Kafka", settings), log) as process:
        def answers():
            processes.require(process, log)
            return "Kafka Server started" in processes.tail(log) and listens(clients)
        processes.await_that(answers, START_SECONDS, "Apache Kafka")
        yield f"127.0.0.1:{clients}"


def java(folder, *arguments):
    home = os.environ.get("JAVA_HOME")
    program = os.path.join(home, "bin", "java") if home else "java"
    jars = os.path.join(os.environ["TENURE_KAFKA_LIBS"], "*")
    return [program, HEAP, f"-Dlog4j2.configurationFile={folder}/log4j2.properties", "-cp", jars, *arguments]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
