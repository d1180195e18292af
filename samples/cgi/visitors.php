<?php
// A form in PHP, whose answers go back into the page.
$name = trim($_POST["name"] ?? "");
header("Cache-Control: no-store");
?>
<!doctype html>
<title>Visitors</title>
<?php if ($name === "") { ?>
<form method="post">
  <label>Who is there? <input name="name"></label>
  <button>Knock</button>
</form>
<?php } else { ?>
<p>The keeper opens for <b><?= htmlspecialchars($name) ?></b>.</p>
<?php } ?>
