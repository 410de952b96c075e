package main

import "encoding/binary"

// murmur2 is Kafka's hash of a key; sarama writes each key whole.
type murmur2 struct{ sum uint32 }

func (m *murmur2) Write(key []byte) (int, error) {
	const mul = 0x5bd1e995
	h, n := uint32(0x9747b28c)^uint32(len(key)), len(key)
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= mul
		k ^= k >> 24
		h = h*mul ^ k*mul
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[0])) * mul
	}
	h ^= h >> 13
	h *= mul
	m.sum = h ^ h>>15
	return n, nil
}
func (m *murmur2) Sum32() uint32       { return m.sum }
func (m *murmur2) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, m.sum) }
func (m *murmur2) Reset()              { m.sum = 0 }
func (m *murmur2) Size() int           { return 4 }
func (m *murmur2) BlockSize() int      { return 4 }
