import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.serialization.StringSerializer;

/** Publishes on Kafka's own client: Publish BROKERS TOPIC, with lines of "codec TAB partitioner TAB key TAB value". */
public class Publish {
    public static void main(String[] arguments) throws Exception {
        Map<String, List<String[]>> runs = new LinkedHashMap<>();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t");
            runs.computeIfAbsent(parts[0] + "\t" + parts[1], run -> new ArrayList<>()).add(parts);
        }
        for (List<String[]> records : runs.values()) {
            publish(arguments[0], arguments[1], records);
        }
    }

    private static void publish(String brokers, String topic, List<String[]> records) throws Exception {
        Map<String, Object> settings = new HashMap<>(Map.of(
                "bootstrap.servers", brokers, "acks", "all", "linger.ms", 50, "compression.type", records.get(0)[0]));
        if (records.get(0)[1].equals("round robin")) {
            settings.put("partitioner.class", RoundRobinPartitioner.class);
        }
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String[] record : records) {
                sent.add(producer.send(new ProducerRecord<>(topic, record[2], record[3])));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
    }
}
