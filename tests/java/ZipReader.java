// Prints what the class by which servers read archives finds in each: path, name, size and CRC-32 of every entry.
import java.io.*;
import java.util.zip.*;

public class ZipReader {
    public static void main(String[] paths) throws IOException {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        byte[] buffer = new byte[1 << 20];
        for (String path : paths) {
            try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(path)))) {
                for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                    CRC32 crc = new CRC32();
                    long size = 0;
                    for (int count; (count = zip.read(buffer)) > 0; size += count) {
                        crc.update(buffer, 0, count);
                    }
                    out.println(path + "\t" + entry.getName() + "\t" + size + "\t" + crc.getValue());
                }
            } catch (IOException | IllegalArgumentException refused) {
                out.println(path + "\trefused");
            }
        }
        out.flush();
    }
}
