// Calls what the patches to CharLS 3 change and prints a line for each: what came of it.
#include "src/pch.hpp" // on which the others rely

#include "src/copy_from_line_buffer.hpp"
#include "src/jpeg_stream_reader.hpp"
#include "src/jpeg_stream_writer.hpp"
#include "src/run_mode_context.hpp"
#include "src/scan_decoder.hpp"

#include "patches.hpp"

namespace {

using std::byte;

template<size_t Size>
std::array<byte, Size> to_bytes(const uint8_t (&values)[Size])
{
    std::array<byte, Size> bytes;
    for (size_t i{}; i != Size; ++i)
        bytes[i] = byte{values[i]};
    return bytes;
}

// A decoder without a scan.
class bit_reader final : public charls::scan_decoder
{
public:
    // The buffer is the first `size` of the bytes, or all of them.
    template<size_t Size>
    explicit bit_reader(const std::array<byte, Size>& source, const size_t size = Size) :
        scan_decoder{charls::frame_info{1, 1, 8, 1}, {}, {}}
    {
        initialize({source.data(), size});
    }

    size_t decode_scan(charls::span<const byte>, byte*, size_t) override
    {
        return 0;
    }

    using scan_decoder::end_scan;
    using scan_decoder::process_restart_marker;
    using scan_decoder::read_unary_code;
    using scan_decoder::read_value;
    using scan_decoder::skip_bits;
};

// Reads the header of an image of one sample, with a segment that names transformation HP1.
int read_header_with_transformation(const uint8_t component_count, const uint8_t mode)
{
    std::vector<uint8_t> header{0xFF, 0xD8, 0xFF, 0xE8, 0, 7, 'm', 'r', 'f', 'x', 1, 0xFF, 0xF7};
    const auto append = [&header](const std::initializer_list<uint8_t> values) {
        header.insert(header.end(), values);
    };
    append({0, static_cast<uint8_t>(8 + 3 * component_count), 8, 0, 1, 0, 1, component_count});
    for (uint8_t i{}; i != component_count; ++i)
        append({i, 0x11, 0});
    const uint8_t scan_count{mode == 0 ? uint8_t{1} : component_count};
    append({0xFF, 0xDA, 0, static_cast<uint8_t>(6 + 2 * scan_count), scan_count});
    for (uint8_t i{}; i != scan_count; ++i)
        append({i, 0});
    append({0, mode, 0, 0xFF, 0xD9});

    charls::jpeg_stream_reader reader;
    reader.source({reinterpret_cast<const byte*>(header.data()), header.size()});
    reader.read_header();
    return 0;
}

// The first sample of a pixel of four components after transformation HP1 has been undone.
int undo_transformation(const charls::interleave_mode mode)
{
    const uint8_t line[]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; // with margins, as CharLS has them
    uint8_t pixel[4]{};
    const auto copy{charls::copy_from_line_buffer<uint8_t>::get_copy_function(mode, 4, charls::color_transformation::hp1)};
    copy(line, pixel, 1);
    return pixel[0];
}

} // namespace

int main()
{
    print("largest Golomb parameter of 16 bits", [] {
        charls::run_mode_context context{0, 65536};
        context.update_variables(0, 65535 - 1024, 64);
        context.update_variables(0, 65535, 64);
        return context.compute_golomb_coding_parameter_checked();
    });
    print("a Golomb parameter above those of 16 bits", [] {
        charls::run_mode_context context{0, 65536};
        context.update_variables(0, 1 << 21, 64);
        return context.compute_golomb_coding_parameter_checked();
    });

    print("as many zero bits as a code may have", [] {
        return bit_reader{to_bytes({0, 0, 0, 0, 0, 0, 0, 1, 0})}.read_unary_code();
    });
    print("more zero bits than any code has", [] {
        return bit_reader{to_bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0})}.read_unary_code();
    });

    const auto scan{to_bytes({0x80, 0x00, 0xFF, 0xD9})};
    print("the end of a scan", [&scan] {
        bit_reader reader{scan};
        reader.read_value(12);
        reader.end_scan();
        return 0;
    });
    print("bits missing at the end of a scan", [&scan] {
        bit_reader reader{scan};
        reader.read_value(12);
        reader.skip_bits(8);
        reader.end_scan();
        return 0;
    });
    print("seven bits and a byte of zeros before a marker", [] {
        const auto bytes{to_bytes({0x80, 0, 0xFF, 0xD0})};
        bit_reader reader{bytes};
        reader.read_value(1);
        reader.end_scan();
        return 0;
    });
    print("eight bits and a byte of zeros before a marker", [] {
        const auto bytes{to_bytes({0x80, 0, 0, 0xFF, 0xD0})};
        bit_reader reader{bytes};
        reader.read_value(8);
        reader.end_scan();
        return 0;
    });
    print("a marker only past the end of the buffer", [] {
        const auto bytes{to_bytes({1, 2, 3, 4, 5, 6, 7, 8, 0, 0xFF, 0xD9})};
        bit_reader reader{bytes, 9};
        for (const int bits : {24, 24, 16})
            reader.read_value(bits);
        reader.end_scan();
        return 0;
    });
    print("data left before a restart marker", [] {
        const auto bytes{to_bytes({0x80, 0x55, 0xFF, 0xD0, 0x80, 0, 0xFF, 0xD9})};
        bit_reader reader{bytes};
        reader.read_value(1);
        reader.process_restart_marker();
        return 0;
    });

    print("the byte after a destination that the scan has filled", [] {
        byte bytes[4]{};
        charls::jpeg_stream_writer writer;
        writer.destination({bytes, 3});
        writer.advance_position(3);
        try
        {
            writer.write_end_of_image(true);
        }
        catch (const charls::jpegls_error&)
        {
            // There is no room for EOI.
        }
        return bytes[3];
    });

    print("a transformation of planes", [] { return read_header_with_transformation(1, 0); });
    print("a transformation of four components", [] { return read_header_with_transformation(4, 1); });
    print("a transformation of two components", [] { return read_header_with_transformation(2, 1); });
    print("transformation undone in lines", [] { return undo_transformation(charls::interleave_mode::line); });
    print("transformation undone in pixels", [] { return undo_transformation(charls::interleave_mode::sample); });
    return 0;
}
