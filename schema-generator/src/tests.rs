//! A small package in, the lines of the table out.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A folder for one test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("schema-generator-{name}-{}", std::process::id())));
        for (path, text) in files {
            let path = folder.0.join(path);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder for the test");
            fs::write(path, text).expect("a file for the test");
        }
        folder
    }

    fn table(&self, packages: &[&str]) -> Result<String, String> {
        let mut sources = Sources::open(&[self.0.to_string_lossy().into_owned()])?;
        table::write(&mut sources, packages)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is the machine's to clear away.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const TYPES: &str = r#"/*
A comment that has type Nothing struct { in it.
*/

package v1

import (
	"fmt"

	other "example.com/api/other/v1"
)

const GroupName = "toys.example.com"

// +enum
type Mode string

const (
	// A comment.
	ModeFast Mode = "Fast"
	ModeSlow Mode = "Slow" // another
)

// +protobuf.nullable=true
type Names []string

// Toy has a comment.
// +structType=atomic
type Part struct {
	// +optional
	Port int32 `json:"port" protobuf:"varint,2,opt,name=port"`
	// +default=ref(ModeFast)
	// +optional
	Mode Mode `json:"mode,omitempty" protobuf:"bytes,1,opt,name=mode"`
}

type Inlined struct {
	Size *int64 `json:"size,omitempty" protobuf:"varint,1,opt,name=size"`
	hidden string `json:"-"`
}

// +genclient

// Toy is a kind.
type Toy struct {
	TypeMeta `json:",inline"`
	/*
		A comment between fields.
	*/
	Inlined `json:",inline" protobuf:"bytes,1,opt,name=inlined"`
	// +listType=map
	// +listMapKey=port
	// +patchStrategy=merge
	Parts []Part `json:"parts,omitempty" patchStrategy:"merge,retainKeys" patchMergeKey:"port" protobuf:"bytes,2,rep,name=parts"`
	First Part `json:"first,omitempty" protobuf:"bytes,3,opt,name=first"`
	// +mapType=atomic
	Names map[string]Names `json:"names" protobuf:"bytes,4,rep,name=names"`
	Other *other.Thing `json:"other,omitempty" protobuf:"bytes,5,opt,name=other"`
}

func (t *Toy) String() string {
	return fmt.Sprint(t.Parts)
}
"#;

const OTHER: &str =
    "package v1\n\ntype Thing struct {\n\tData []byte `json:\"data\" protobuf:\"bytes,1,opt,name=data\"`\n}\n";

const TABLE: &str = "\
package toys.v1 com.example.api.toys.v1 toys.example.com
type Inlined
  size 1 *int64
type Part atomic
  port 2 int32 always
  mode 1 string default=\"Fast\" enum=Fast,Slow
kind Toy
  . 1 Inlined
  parts 2 [port]atomic:Part patch=merge,retainKeys key=port
  first 3 atomic:Part always
  names 4 {atomic}box[]string required always
  other 5 *other.v1.Thing
package other.v1 com.example.api.other.v1 -
type Thing
  data 1 bytes required always
";

#[test]
fn go_types_become_lines() {
    let files = [("go.mod", "module example.com/api\n"), ("toys/v1/types.go", TYPES), ("other/v1/types.go", OTHER)];
    let folder = Folder::new("lines", &files);
    assert_eq!(folder.table(&["example.com/api/toys/v1"]).as_deref(), Ok(TABLE));
}

#[test]
fn what_the_table_cannot_say_is_an_error_that_names_the_field() {
    let types = TYPES.replace("Size *int64", "Size *float32");
    let files = [("go.mod", "module example.com/api\n"), ("toys/v1/types.go", &types), ("other/v1/types.go", OTHER)];
    let folder = Folder::new("error", &files);
    let said = folder.table(&["example.com/api/toys/v1"]).expect_err("no float32 in the table");
    assert_eq!(said, "example.com/api/toys/v1.Inlined: \"size\": float32 has no form in the table");
}
