// Calls what the patches to CharLS 2.4 change and prints a line for each: what came of it.
#include "src/context_run_mode.h"
#include "src/decoder_strategy.h"
#include "src/jpeg_stream_writer.h"
#include "src/lossless_traits.h"

#include "patches.hpp"

namespace {

// A decoder without a scan.
class bit_reader final : public charls::decoder_strategy
{
public:
    // The buffer is `size` bytes of what `source` points to.
    bit_reader(const uint8_t* source, const size_t size) : decoder_strategy{charls::frame_info{1, 1, 8, 1}, {}}
    {
        initialize({source, size});
    }

    std::unique_ptr<charls::process_line> create_process_line(charls::byte_span, size_t) override
    {
        return {};
    }

    void set_presets(const charls::jpegls_pc_parameters&, uint32_t) override
    {
    }

    size_t decode_scan(std::unique_ptr<charls::process_line>, const JlsRect&, charls::const_byte_span) override
    {
        return 0;
    }
};

} // namespace

int main()
{
    print("largest Golomb parameter of 16 bits", [] {
        charls::context_run_mode context{0, 65536};
        context.update_variables(0, 65535 - 1024, 64);
        context.update_variables(0, 65535, 64);
        return context.get_golomb_code();
    });
    print("a Golomb parameter above those of 16 bits", [] {
        charls::context_run_mode context{0, 65536};
        context.update_variables(0, 1 << 21, 64);
        return context.get_golomb_code();
    });

    print("as many zero bits as a code may have", [] {
        const uint8_t zeros[]{0, 0, 0, 0, 0, 0, 0, 1, 0};
        return bit_reader{zeros, sizeof zeros}.read_high_bits();
    });
    print("more zero bits than any code has", [] {
        const uint8_t zeros[]{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
        return bit_reader{zeros, sizeof zeros}.read_high_bits();
    });

    const uint8_t scan[]{0x80, 0x00, 0xFF, 0xD9};
    print("the end of a scan", [&scan] {
        bit_reader reader{scan, sizeof scan};
        reader.read_value(12);
        reader.end_scan();
        return 0;
    });
    print("bits missing at the end of a scan", [&scan] {
        bit_reader reader{scan, sizeof scan};
        reader.read_value(12);
        reader.skip(8);
        reader.end_scan();
        return 0;
    });
    print("seven bits and a byte of zeros before a marker", [] {
        const uint8_t bytes[]{0x80, 0, 0xFF, 0xD0};
        bit_reader reader{bytes, sizeof bytes};
        reader.read_value(1);
        reader.end_scan();
        return 0;
    });
    print("eight bits and a byte of zeros before a marker", [] {
        const uint8_t bytes[]{0x80, 0, 0, 0xFF, 0xD0};
        bit_reader reader{bytes, sizeof bytes};
        reader.read_value(8);
        reader.end_scan();
        return 0;
    });
    print("a marker only past the end of the buffer", [] {
        const uint8_t bytes[]{1, 2, 3, 4, 5, 6, 7, 8, 0, 0xFF, 0xD9};
        bit_reader reader{bytes, 9};
        for (const int bits : {24, 24, 16})
            reader.read_value(bits);
        reader.end_scan();
        return 0;
    });

    print("pixels that differ in the fourth component only", [] {
        using traits = charls::lossless_traits<charls::quad<uint8_t>, 8>;
        return traits::is_near({charls::triplet<uint8_t>{1, 2, 3}, 4}, {charls::triplet<uint8_t>{1, 2, 3}, 5});
    });

    print("the byte after a destination that the scan has filled", [] {
        uint8_t bytes[4]{};
        charls::jpeg_stream_writer writer;
        writer.destination({bytes, 3});
        writer.seek(3);
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
    return 0;
}
