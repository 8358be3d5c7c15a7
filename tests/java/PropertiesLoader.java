import java.io.FileInputStream;
import java.util.Properties;

public class PropertiesLoader {
    public static void main(String[] paths) throws Exception {
        for (String path : paths) {
            Properties properties = new Properties();
            properties.load(new FileInputStream(path));
            System.out.println(properties.getProperty("model_snapshot"));
        }
    }
}
