// Publishes on kafkajs: node publish.js BROKERS TOPIC < lines of "codec TAB partitioner TAB key TAB value".
const { readFileSync } = require("fs");
const { CompressionCodecs, CompressionTypes, Kafka, Partitioners, logLevel } = require("kafkajs");
const lz4 = require("lz4-napi");
const snappy = require("snappyjs");
const zstd = require("@bokuweb/zstd-wasm");

// kafkajs itself has only gzip
const codec = (compress) => () => ({ compress: async ({ buffer }) => Buffer.from(await compress(buffer)) });
CompressionCodecs[CompressionTypes.Snappy] = codec((buffer) => snappy.compress(buffer));
CompressionCodecs[CompressionTypes.LZ4] = codec((buffer) => lz4.compressFrame(buffer));
CompressionCodecs[CompressionTypes.ZSTD] = codec((buffer) => zstd.compress(buffer));

const CODECS = { none: "None", gzip: "GZIP", snappy: "Snappy", lz4: "LZ4", zstd: "ZSTD" };
const PARTITIONERS = {
  murmur2: Partitioners.JavaCompatiblePartitioner,
  default: undefined,
  "round robin": () => {
    let turn = 0;
    return ({ partitionMetadata }) => turn++ % partitionMetadata.length;
  },
};

async function main([brokers, topic]) {
  await zstd.init();
  const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });
  const lines = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => line.split("\t"));
  const runs = new Map(); // from codec and partitioner to messages
  for (const [name, partitioner, key, value] of lines) {
    const run = `${name}\t${partitioner}`;
    runs.set(run, [...(runs.get(run) || []), { key, value }]);
  }
  for (const [run, messages] of runs) {
    const [name, partitioner] = run.split("\t");
    const producer = kafka.producer({ createPartitioner: PARTITIONERS[partitioner] });
    await producer.connect();
    await producer.send({ topic, acks: -1, compression: CompressionTypes[CODECS[name]], messages });
    await producer.disconnect();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
