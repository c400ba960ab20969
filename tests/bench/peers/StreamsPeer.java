import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams, exactly_once_v2: one open wait a customer in a store with a changelog, a fact for every answer. */
public class StreamsPeer {
  static final AtomicLong done = new AtomicLong();
  static final AtomicLong facts = new AtomicLong();

  static class Measure implements Processor<byte[], byte[], byte[], byte[]> {
    private final ObjectMapper json = new ObjectMapper();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, Long> waits;

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      waits = given.getStateStore("waits");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      try {
        JsonNode message = json.readTree(record.value());
        String customer = message.get("shop").textValue() + "|" + message.get("customer").textValue();
        Long since = waits.get(customer);
        long at = message.get("ts").longValue();
        if (message.get("sender").textValue().equals("customer")) {
          if (since == null) waits.put(customer, at);
        } else if (since != null) {
          waits.delete(customer);
          byte[] fact = json.writeValueAsBytes(Map.of(
              "agent", message.get("agent").textValue(), "ms", at - since, "id", message.get("id").textValue()));
          context.forward(new Record<>(record.key(), fact, record.timestamp()));
          facts.incrementAndGet();
        }
        done.incrementAndGet();
      } catch (java.io.IOException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  /** BROKER TOPIC WARM RECORDS THREADS: the first WARM records are not measured (the JIT). */
  public static void main(String[] args) throws Exception {
    long warm = Long.parseLong(args[2]), records = Long.parseLong(args[3]);
    Properties settings = new Properties();
    settings.put("application.id", "bench-streams-" + System.nanoTime());
    settings.put("bootstrap.servers", args[0]);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("num.stream.threads", args[4]);
    settings.put("auto.offset.reset", "earliest");
    settings.put("replication.factor", "1");
    settings.put("state.dir", System.getProperty("java.io.tmpdir") + "/bench-streams-" + System.nanoTime());
    Topology topology = new Topology();
    topology.addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), args[1]);
    topology.addProcessor("measure", Measure::new, "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("waits"), Serdes.String(), Serdes.Long()), "measure");
    topology.addSink("out", "bench.facts", new ByteArraySerializer(), new ByteArraySerializer(), "measure");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    streams.start();
    OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long from = await(warm), began = System.nanoTime(), cpu = machine.getProcessCpuTime();
    long to = await(records), ended = System.nanoTime();
    System.out.printf("{\"records\":%d,\"facts\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.3f}%n",
        to - from, facts.get(), (ended - began) / 1e9, (machine.getProcessCpuTime() - cpu) / 1e9);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  private static long await(long records) throws InterruptedException {
    long now;
    while ((now = done.get()) < records) Thread.sleep(2);
    return now;
  }
}
