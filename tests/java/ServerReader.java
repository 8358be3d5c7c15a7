// Unpacks each archive with TorchServe's own class, and prints path, name and SHA-256 of every file that comes out.
// Needs model-server.jar on the class path. The first argument is an empty folder.
import java.io.*;
import java.math.BigInteger;
import java.nio.file.*;
import java.security.MessageDigest;
import java.util.stream.Stream;
import org.apache.commons.io.FileUtils;
import org.pytorch.serve.archive.utils.ZipUtils;

public class ServerReader {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        Path folder = Path.of(arguments[0]);
        for (int number = 1; number < arguments.length; number++) {
            Path unpacked = Files.createDirectory(folder.resolve(String.valueOf(number)));
            String path = arguments[number];
            try (InputStream in = new BufferedInputStream(new FileInputStream(path))) {
                if (path.endsWith(".mar")) {
                    ZipUtils.unzip(in, unpacked.toFile());
                } else {
                    ZipUtils.decompressTarGzipFile(in, unpacked.toFile());
                }
                print(out, path, unpacked);
            } catch (IOException | RuntimeException refused) {
                out.println(path + "\trefused\t" + refused.toString().replaceAll("\\s", " "));
            }
            FileUtils.deleteDirectory(unpacked.toFile());
        }
        out.flush();
    }

    private static void print(PrintStream out, String path, Path unpacked) throws Exception {
        try (Stream<Path> found = Files.walk(unpacked)) {
            for (Path file : (Iterable<Path>) found.filter(Files::isRegularFile)::iterator) {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
                String name = unpacked.relativize(file).toString();
                out.println(path + "\t" + name.replaceAll("\\s", " ") + "\t" + String.format("%064x", new BigInteger(1, digest)));
            }
        }
    }
}
